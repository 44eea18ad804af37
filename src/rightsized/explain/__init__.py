"""Why an answer was given: word contributions and near examples."""
