"""What keeps the street moving: workers, delivery, month runs, replay; the only place that waits."""
