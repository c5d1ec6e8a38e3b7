"""What mail programs and other mail servers look up by HTTPS: MTA-STS, autoconfig, autodiscover, Apple's profile."""
