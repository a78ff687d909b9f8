"""How the system runs: embedded servers, demo, simulator, image, dashboards, benchmarks."""
