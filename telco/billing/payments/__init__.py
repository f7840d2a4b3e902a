"""Ways in for money beside payment cards: terminals and banks, bank transfers, cash desks; and their corrections."""
