"""What bench/classifier_speed.c measures, in PyTorch: transformers' BERT and ViT, fp32, the same batches, loss, dropout, clipping, Adam.

    python3 classifier_pytorch.py bert|vit [seconds [threads]]
"""

import sys

import torch
from transformers import BertConfig, BertForSequenceClassification, ViTConfig, ViTForImageClassification

from timed_pytorch import read_arguments, time_training

LABELS, TEXTS, LENGTH, VOCABULARY, IMAGES = 10, 32, 64, 8000, 64


def main():
    text = sys.argv[1] == "bert"
    seconds = read_arguments(2)
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

    def answer():
        expected = torch.randint(0, LABELS, (TEXTS if text else IMAGES,))
        if text:
            logits = model(input_ids=torch.randint(0, VOCABULARY, (TEXTS, LENGTH))).logits
        else:
            logits = model(pixel_values=torch.rand(IMAGES, 3, 32, 32) * 2 - 1).logits
        return logits, expected

    time_training(model, answer, seconds, TEXTS * LENGTH if text else IMAGES, "tokens" if text else "images")


if __name__ == "__main__":
    main()
