"""What texts are made of, without a model: their language, trouble with their encoding, personal data in them."""
