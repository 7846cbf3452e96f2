"""Operations of boosted trees."""
