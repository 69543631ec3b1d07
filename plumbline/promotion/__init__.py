"""Champion and challenger: which bundle is current, and why."""
