"""From a model's scores to what is answered: calibration, threshold, conformal prediction."""
