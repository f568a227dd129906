"""What several experiments need: records, reviews, parts of readers, tasks, measures."""
