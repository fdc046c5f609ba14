"""Does a language model hold human emotion concepts? Li et al. (iScience 2024), reproduced and re-tested."""
