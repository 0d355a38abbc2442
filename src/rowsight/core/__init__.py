"""What every layer needs: errors, identities, events."""
