// Fuzz target: text of word vectors either gives every wanted label a finite vector of one width or
// ends in a DataError, and the same for its pieces as for the whole.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "data/text.h"
#include "data/word_vector_text.h"
#include "data/word_vectors.h"

namespace {

const std::vector<std::string> kWanted = {"dog", "hot dog", "Traffic_Light"};

std::vector<std::vector<float>> in_pieces(std::string_view text, size_t length) {
  mld::TokenTable table(kWanted);
  mld::VectorText reader("fuzz", table);
  bool more = true;
  for (size_t at = 0; more && at < text.size(); at += length) {
    more = reader.feed(text.substr(at, length));
  }
  if (more) {
    reader.finish();
  }
  std::vector<std::vector<float>> vectors;
  for (size_t k = 0; k < kWanted.size(); ++k) {
    std::vector<std::string> missing;
    vectors.push_back(table.vector_of(k, missing));
  }
  return vectors;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const mld::VectorNorm norm : {mld::VectorNorm::keep, mld::VectorNorm::unit}) {
    try {
      const mld::WordVectors found = mld::parse_word_vectors(text, "fuzz", kWanted, norm);
      bool good = found.values.shape()[0] == 3 && found.dim() > 0;
      for (const float value : found.values.to_vector()) {
        good = good && std::isfinite(value);
      }
      if (!good) {
        std::abort();
      }
    } catch (const mld::DataError& error) {
      if (!mld::is_utf8(error.what())) {
        std::abort();
      }
    }
  }
  std::vector<std::vector<float>> whole;
  bool failed = false;
  try {
    whole = in_pieces(text, size + 1);
  } catch (const mld::DataError&) {
    failed = true;
  }
  try {
    if (in_pieces(text, 7) != whole || failed) {
      std::abort();
    }
  } catch (const mld::DataError&) {
    if (!failed) {
      std::abort();
    }
  }
  return 0;
}
