"""What an app's own Swift and Objective-C sources use, and what that needs in plists, entitlements and manifests."""
