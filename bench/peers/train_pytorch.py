"""What bench/train_speed.c measures, in PyTorch: transformers' MarianMTModel, fp32, the same batches, loss, dropout, clipping, Adam.

    python3 train_pytorch.py [seconds [threads]]
"""

import sys
import time

import torch
from transformers import MarianConfig, MarianMTModel

BATCH, LENGTH, VOCABULARY = 64, 24, 8000


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    if len(sys.argv) > 2:
        torch.set_num_threads(int(sys.argv[2]))
    torch.manual_seed(1)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=VOCABULARY, d_model=256, encoder_layers=3, decoder_layers=3, encoder_attention_heads=8,
            decoder_attention_heads=8, encoder_ffn_dim=1024, decoder_ffn_dim=1024, max_position_embeddings=128,
            activation_function="swish", scale_embedding=True, dropout=0.1, pad_token_id=VOCABULARY - 1,
            decoder_start_token_id=VOCABULARY - 1, eos_token_id=0, forced_eos_token_id=0,
        )
    )
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.98), eps=1e-9, weight_decay=0, fused=True)
    mask = torch.ones(BATCH, LENGTH, dtype=torch.long)

    def step():
        source = torch.randint(2, VOCABULARY - 1, (BATCH, LENGTH))
        expected = torch.randint(2, VOCABULARY - 1, (BATCH, LENGTH))
        start = torch.full((BATCH, 1), VOCABULARY - 1)
        given = torch.cat([start, expected[:, :-1]], 1)
        optimizer.zero_grad(set_to_none=True)
        logits = model(input_ids=source, attention_mask=mask, decoder_input_ids=given, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.view(-1, VOCABULARY), expected.view(-1), label_smoothing=0.1)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        return loss.item()

    for _ in range(3):
        step()
    begin, steps = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        loss = step()
        steps += 1
    took = time.monotonic() - begin
    print(
        f"pytorch {steps * 2 * BATCH * LENGTH / took:.0f} tokens/s, {torch.get_num_threads()} threads, "
        f"{1e3 * took / steps:.1f} ms a step, loss {loss:.3f}, torch {torch.__version__}"
    )


if __name__ == "__main__":
    main()
