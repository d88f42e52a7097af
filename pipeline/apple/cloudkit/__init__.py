"""CloudKit containers: what their schema says, what the app needs of it, and what a deployment would change."""
