"""Linear state space models of series, filtered as Kalman did."""
