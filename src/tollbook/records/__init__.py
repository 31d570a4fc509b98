"""The canonical model: frozen nouns that every stage and every connector shares."""
