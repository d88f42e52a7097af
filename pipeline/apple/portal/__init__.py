"""Apple's developer portal through App Store Connect: certificates, provisioning profiles, bundle ids, capabilities."""
