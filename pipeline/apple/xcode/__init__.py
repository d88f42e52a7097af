"""What Xcode would make of a project's files, read on any machine: settings, Info.plist, entitlements, icons, and the archive itself."""
