"""Tables, figures and the report: what is read from runs and drawn. No score is computed here."""
