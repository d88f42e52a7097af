"""CloudKit's management API as the small Apple plays it: teams, containers and schemas in two environments."""
