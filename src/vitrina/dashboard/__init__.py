"""The panels, declared once, and what draws them: Grafana, and a page of its own."""
