"""What a frozen and split dataset should tell its user before anything is fitted."""
