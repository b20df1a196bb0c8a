"""Translates a file with CTranslate2, from the same Marian directory and with the same settings as `attn translate`, and prints its speed.

    python3 translate_ctranslate2.py MODEL FILE BEAM [THREADS]

The weights are converted once, in fp32, into a temporary directory. CTranslate2 takes it that a Marian model starts from a zero
embedding, as Marian's own do; a Hugging Face directory says what it starts from, and is taken at its word, so that both give the same
translations. Time is that of translate_batch alone, pieces to pieces: the pieces are made before and joined after it.
"""

import os
import sys
import tempfile
import time


def start_from_pad():
    """Has CTranslate2's converter keep <pad>, and its embedding as what a Marian decoder starts from."""
    from ctranslate2.converters import transformers as converter

    def set_config(self, config, model, tokenizer):
        config.eos_token = tokenizer.eos_token
        config.unk_token = tokenizer.unk_token
        config.decoder_start_token = tokenizer.pad_token

    marian, bart = converter.MarianMTLoader, converter.BartLoader
    marian.set_config = set_config
    marian.set_decoder = bart.set_decoder
    marian.get_vocabulary = bart.get_vocabulary
    marian._remove_pad_weights = lambda self, spec: None


def main():
    model, path, beam = sys.argv[1], sys.argv[2], int(sys.argv[3])
    threads = int(sys.argv[4]) if len(sys.argv) > 4 else len(os.sched_getaffinity(0))
    os.environ["OMP_NUM_THREADS"] = "1"
    import ctranslate2
    import transformers

    tokenizer = transformers.MarianTokenizer.from_pretrained(model)
    longest = transformers.MarianConfig.from_pretrained(model).max_position_embeddings
    with open(path, encoding="utf-8") as lines:
        source = [tokenizer.convert_ids_to_tokens(tokenizer.encode(line.rstrip("\n"))) for line in lines]
    start_from_pad()
    with tempfile.TemporaryDirectory() as directory:
        ctranslate2.converters.TransformersConverter(model).convert(directory, quantization="float32", force=True)
        best = None
        # CTranslate2's two ways to use the cores: several translators, or several threads within each operation.
        for inter, intra in {(threads, 1), (1, threads)}:
            translator = ctranslate2.Translator(
                directory, device="cpu", compute_type="float32", inter_threads=inter, intra_threads=intra
            )
            run = lambda: translator.translate_batch(
                source, beam_size=beam, length_penalty=1, max_batch_size=64, max_decoding_length=longest
            )
            run()  # the first one warms up
            begin = time.monotonic()
            results = run()
            seconds = time.monotonic() - begin
            if best is None or seconds < best[0]:
                best = seconds, inter, intra, results
    seconds, inter, intra, results = best
    pieces = sum(len(result.hypotheses[0]) + 1 for result in results)
    print(
        f"ctranslate2 {len(source) / seconds:.1f} sentences/s, {pieces / seconds:.0f} tokens/s (beam {beam},"
        f" {inter} x {intra} threads, CTranslate2 {ctranslate2.__version__})"
    )


main()
