// A folder's pictures as a model sees them, kept in a file to be searched again.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace mld {

// Format: docs/formats.md.
struct Embeddings {
  std::string kind;          // Recognizer::kind()
  uint32_t fingerprint = 0;  // of the weights that made them
  std::vector<std::string> labels;  // "logits": of the columns; else none
  std::vector<std::filesystem::path> files;  // [N] from the current folder
  Tensor values;                             // f32 [N, E]
};

// Errors: Error naming the file (an old one stays as it was).
void save_embeddings(const std::filesystem::path& file, const Embeddings& embeddings);
// Whether the file says that it holds embeddings.
bool is_embeddings(const std::filesystem::path& file);
// Errors: DataError naming the file: missing, malformed, another version, numbers that are not
// finite.
Embeddings load_embeddings(const std::filesystem::path& file);

}  // namespace mld
