"""Celery alone: the app, its queues and schedule, and thin tasks that call `dispatcher`."""
