"""What bench/recurrent_speed.c measures, in PyTorch: nn.LSTM, Luong's general attention, the same batches, loss, dropout, clipping, Adam.

    python3 recurrent_pytorch.py [seconds [threads]]
"""

import sys
import time

import torch
from torch import nn

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
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    if len(sys.argv) > 2:
        torch.set_num_threads(int(sys.argv[2]))
    torch.manual_seed(1)
    model = Translator()
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.98), eps=1e-9, weight_decay=0, fused=True)

    def step():
        source = torch.randint(2, VOCABULARY - 1, (BATCH, LENGTH))
        expected = torch.randint(2, VOCABULARY - 1, (BATCH, LENGTH))
        given = torch.cat([torch.full((BATCH, 1), VOCABULARY - 1), expected[:, :-1]], 1)
        optimizer.zero_grad(set_to_none=True)
        logits = model(source, given)
        loss = nn.functional.cross_entropy(logits.view(-1, VOCABULARY), expected.view(-1), label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        return loss.item()

    for _ in range(3):
        step()
    begin, steps, least = time.monotonic(), 0, float("inf")
    while time.monotonic() - begin < seconds:
        before = time.process_time()
        loss = step()
        least = min(least, time.process_time() - before)
        steps += 1
    took = time.monotonic() - begin
    print(
        f"pytorch {steps * 2 * BATCH * LENGTH / took:.0f} tokens/s, {torch.get_num_threads()} threads, "
        f"{1e3 * took / steps:.1f} ms a step, least of the process {1e3 * least:.1f}, loss {loss:.3f}, torch {torch.__version__}"
    )


if __name__ == "__main__":
    main()
