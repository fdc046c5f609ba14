"""Does a language model hold human emotion concepts? Li et al. (iScience 2024), regenerated and open to change."""
