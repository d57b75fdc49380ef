"""How are features made of one's own data? The transformer of scikit-learn: what it learns, and what it has learned."""
