"""What runs by itself: schedules, sensors, conditions, freshness and alerts, as declared."""
