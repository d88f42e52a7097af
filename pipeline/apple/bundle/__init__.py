"""Finished products (.xcarchive, .app, .ipa, .pkg): what they hold, who signed them, and whether Apple takes them."""
