"""What Xcode makes of a project's files, read on any machine: settings, Info.plist, entitlements, icons, archives."""
