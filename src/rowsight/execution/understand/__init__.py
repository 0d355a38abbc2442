"""What a table says, brought together: profile, anomalies, themes, summary, and what it cost."""
