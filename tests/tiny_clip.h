// A CLIP state dict with random weights, and a vocabulary for it, as files.
#pragma once

#include <string>
#include <vector>

#include "data/safetensors.h"
#include "models/clip.h"
#include "tests/data_files.h"
#include "tests/tiny_vocabulary.h"

namespace mld::test {

// Writes clip.safetensors (pictures of 32 x 32 pixels) and bpe.txt, which knows "dog" as one token.
inline void write_clip(const TemporaryFolder& folder) {
  folder.write("bpe.txt", vocabulary_text({"d o", "do g</w>"}));
  Clip clip({.vision = ClipVitSpec{.image_size = 32, .patch = 8, .width = 64, .layers = 1,
                                   .heads = 1, .embed = 24},
             .text = {.width = 64, .layers = 1, .heads = 1, .vocabulary = Tokenizer::kVocabulary,
                      .embed = 24}});
  initialize(clip, 3);
  const std::vector<uint8_t> bytes = to_safetensors(state_dict(clip), {});
  folder.write("clip.safetensors", std::string(bytes.begin(), bytes.end()));
}

}  // namespace mld::test
