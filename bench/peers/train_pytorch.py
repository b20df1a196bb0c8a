"""What bench/train_speed.c measures, in PyTorch: transformers' MarianMTModel, fp32, the same batches, loss, dropout, clipping, Adam.

    python3 train_pytorch.py [seconds [threads]]
"""

import torch
from transformers import MarianConfig, MarianMTModel

from timed_pytorch import read_arguments, time_training

BATCH, LENGTH, VOCABULARY = 64, 24, 8000


def main():
    seconds = read_arguments(1)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=VOCABULARY, d_model=256, encoder_layers=3, decoder_layers=3, encoder_attention_heads=8,
            decoder_attention_heads=8, encoder_ffn_dim=1024, decoder_ffn_dim=1024, max_position_embeddings=128,
            activation_function="swish", scale_embedding=True, dropout=0.1, pad_token_id=VOCABULARY - 1,
            decoder_start_token_id=VOCABULARY - 1, eos_token_id=0, forced_eos_token_id=0,
        )
    )
    mask = torch.ones(BATCH, LENGTH, dtype=torch.long)

    def answer():
        source = torch.randint(2, VOCABULARY - 1, (BATCH, LENGTH))
        expected = torch.randint(2, VOCABULARY - 1, (BATCH, LENGTH))
        start = torch.full((BATCH, 1), VOCABULARY - 1)
        given = torch.cat([start, expected[:, :-1]], 1)
        logits = model(input_ids=source, attention_mask=mask, decoder_input_ids=given, use_cache=False).logits
        return logits, expected

    time_training(model, answer, seconds, 2 * BATCH * LENGTH, "tokens")


if __name__ == "__main__":
    main()
