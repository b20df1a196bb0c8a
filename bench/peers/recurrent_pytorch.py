"""What bench/recurrent_speed.c measures, in PyTorch: nn.LSTM, Luong's general attention, the same batches, loss, dropout, clipping, Adam.

    python3 recurrent_pytorch.py [seconds [threads]]
"""

import torch
from torch import nn

from timed_pytorch import read_arguments, time_training

BATCH, LENGTH, VOCABULARY, EMBEDDING, UNITS, DROPOUT = 64, 24, 8000, 256, 512, 0.2


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, EMBEDDING)
        nn.init.normal_(self.embedding.weight, std=EMBEDDING**-0.5)
        self.encoder = nn.LSTM(EMBEDDING, UNITS // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(EMBEDDING, UNITS, batch_first=True)
        self.key = nn.Linear(UNITS, UNITS, bias=False)
        self.combine = nn.Linear(2 * UNITS, EMBEDDING)
        self.bias = nn.Parameter(torch.zeros(VOCABULARY))
        self.dropout = nn.Dropout(DROPOUT)

    def embed(self, ids):
        return self.dropout(self.embedding(ids) * EMBEDDING**0.5)

    def forward(self, source, given):
        memory, (h, c) = self.encoder(self.embed(source))
        memory = self.dropout(memory)
        join = lambda state: torch.cat([state[0], state[1]], -1).unsqueeze(0)
        states, _ = self.decoder(self.embed(given), (join(h), join(c)))
        context = nn.functional.scaled_dot_product_attention(states, self.key(memory), memory, scale=1.0)
        attended = self.dropout(torch.tanh(self.combine(torch.cat([context, states], -1))))
        return nn.functional.linear(attended, self.embedding.weight, self.bias)


def main():
    seconds = read_arguments(1)
    model = Translator()

    def answer():
        source = torch.randint(2, VOCABULARY - 1, (BATCH, LENGTH))
        expected = torch.randint(2, VOCABULARY - 1, (BATCH, LENGTH))
        given = torch.cat([torch.full((BATCH, 1), VOCABULARY - 1), expected[:, :-1]], 1)
        return model(source, given), expected

    time_training(model, answer, seconds, 2 * BATCH * LENGTH, "tokens")


if __name__ == "__main__":
    main()
