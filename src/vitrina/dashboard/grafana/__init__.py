"""The panels and the alerts as Grafana provisions them."""
