"""What bench/classifier_speed.c measures, in PyTorch: transformers' BERT and ViT, fp32, the same batches, loss, dropout, clipping, Adam.

    python3 classifier_pytorch.py bert|vit [seconds [threads]]
"""

import sys
import time

import torch
from transformers import BertConfig, BertForSequenceClassification, ViTConfig, ViTForImageClassification

LABELS, TEXTS, LENGTH, VOCABULARY, IMAGES = 10, 32, 64, 8000, 64


def main():
    text = sys.argv[1] == "bert"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    if len(sys.argv) > 3:
        torch.set_num_threads(int(sys.argv[3]))
    torch.manual_seed(1)
    if text:
        model = BertForSequenceClassification(
            BertConfig(
                vocab_size=VOCABULARY, hidden_size=256, num_hidden_layers=4, num_attention_heads=4,
                intermediate_size=1024, max_position_embeddings=128, num_labels=LABELS,
            )
        )
    else:
        model = ViTForImageClassification(
            ViTConfig(
                hidden_size=192, num_hidden_layers=6, num_attention_heads=6, intermediate_size=768, image_size=32,
                patch_size=4, num_channels=3, hidden_dropout_prob=0, attention_probs_dropout_prob=0, num_labels=LABELS,
            )
        )
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.98), eps=1e-9, weight_decay=0, fused=True)

    def step():
        count = TEXTS if text else IMAGES
        expected = torch.randint(0, LABELS, (count,))
        optimizer.zero_grad(set_to_none=True)
        if text:
            logits = model(input_ids=torch.randint(0, VOCABULARY, (TEXTS, LENGTH))).logits
        else:
            logits = model(pixel_values=torch.rand(IMAGES, 3, 32, 32) * 2 - 1).logits
        loss = torch.nn.functional.cross_entropy(logits, expected, label_smoothing=0.1)
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
        f"pytorch {steps * (TEXTS * LENGTH if text else IMAGES) / took:.0f} {'tokens' if text else 'images'}/s, "
        f"{torch.get_num_threads()} threads, {1e3 * took / steps:.1f} ms a step, loss {loss:.3f}, torch {torch.__version__}"
    )


if __name__ == "__main__":
    main()
