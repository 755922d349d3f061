"""The live dashboard: Panel pages over the views; started as a process, imported by nothing of qflib."""
