#include "data/word_vectors.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "data/file_pieces.h"
#include "data/label_tokens.h"
#include "data/text.h"
#include "data/vector_tensor.h"
#include "data/word_vector_text.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostNamed = 5;  // missing names in a message

// Labels without a vector, each with the words that lack one.
struct Missing {
  std::vector<std::string> labels;
  std::vector<std::vector<std::string>> words;
};

// The labels' vectors, and which have none.
WordVectors collect(std::span<const std::string> names, const TokenTable& table, Missing& missing) {
  WordVectors result{.names = {names.begin(), names.end()}, .values = {}};
  std::vector<float> all;
  int64_t dim = 0;
  for (size_t k = 0; k < names.size(); ++k) {
    std::vector<std::string> words;
    const std::vector<float> vector = table.vector_of(k, words);
    all.insert(all.end(), vector.begin(), vector.end());
    dim = std::max(dim, static_cast<int64_t>(vector.size()));
    if (vector.empty()) {
      missing.labels.push_back(names[k]);
      missing.words.push_back(std::move(words));
    }
  }
  if (missing.labels.empty()) {
    result.values = Tensor::from({result.names.empty() ? 0 : static_cast<int64_t>(names.size()),
                                  dim}, all);
  }
  return result;
}

// Hands every token of the file to the function.
using EachToken = std::function<void(const std::function<void(std::string_view)>&)>;

[[noreturn]] void fail_missing(const std::string& name, const Missing& missing, size_t classes,
                               const std::string& shortage, const EachToken& each_token) {
  const size_t named = std::min(missing.labels.size(), kMostNamed);
  std::vector<std::string> words;
  for (size_t i = 0; i < named; ++i) {
    words.insert(words.end(), missing.words[i].begin(), missing.words[i].end());
  }
  SimilarTokens similar(words);
  each_token([&](std::string_view token) { similar.offer(token); });
  std::string list;
  for (size_t i = 0; i < named; ++i) {
    const std::vector<std::string>& lacking = missing.words[i];
    list += fmt::format("{}'{}'", i > 0 ? ", " : "", printable(missing.labels[i]));
    const bool whole = lacking.size() == 1 && lacking[0] == missing.labels[i];
    for (const std::string& word : lacking) {
      list += (whole ? "" : fmt::format(", whose '{}' it lacks", printable(word))) +
              similar.text(word);
    }
  }
  if (missing.labels.size() > named) {
    list += fmt::format(" and {} more", missing.labels.size() - named);
  }
  fail<DataError>("{}: no vector for {} of {}: {}{}; name the classes as the file does, or add "
                  "lines with their vectors to it", name, missing.labels.size(),
                  counted(static_cast<int64_t>(classes), "class"), list, shortage);
}

void make_unit(Tensor& values) {
  const auto D = static_cast<size_t>(values.shape()[1]);
  const std::span<float> all(values.data<float>(), static_cast<size_t>(values.numel()));
  for (size_t at = 0; at < all.size(); at += D) {
    double sum = 0;
    for (const float v : all.subspan(at, D)) {
      sum += double{v} * double{v};
    }
    const double length = std::sqrt(sum);
    if (std::abs(length - 1) > 1e-5) {
      for (float& v : all.subspan(at, D)) {
        v = static_cast<float>(v / length);
      }
    }
  }
}

WordVectors finished(WordVectors vectors, const std::string& name, VectorNorm norm) {
  require_usable(vectors.names, vectors.values, name);
  if (norm == VectorNorm::unit) {
    make_unit(vectors.values);
  }
  return vectors;
}

// Tells how far a file has been read.
struct Reading {
  const ReadProgress& progress;
  int64_t done = 0, size = 0;

  void more(int64_t bytes, int64_t of) {
    done += bytes;
    size = of;
    tell(done);
  }
  void tell(int64_t at) const {
    if (progress) {
      progress(at, size);
    }
  }
  ~Reading() { tell(size); }
};

WordVectors read_from_tensor(const fs::path& file, std::span<const std::string> names) {
  const std::string name = printable(file.native());
  const VectorTensor tensor(file);
  TokenTable table(names);
  for (size_t row = 0; row < tensor.names().size() && !table.complete(); ++row) {
    const std::string& token = tensor.names()[row];
    std::vector<float>* slot = table.slot(token);
    if (slot != nullptr && slot->empty()) {
      *slot = tensor.row(row);
      table.filled(token);
    }
  }
  Missing missing;
  WordVectors result = collect(names, table, missing);
  if (!missing.labels.empty()) {
    fail_missing(name, missing, names.size(), "", [&](const auto& take) {
      for (const std::string& token : tensor.names()) {
        take(token);
      }
    });
  }
  return result;
}

// Hands pieces of a text to the function until it returns false.
using EachPiece = std::function<void(const std::function<bool(std::string_view)>&)>;

WordVectors read_from_text(const std::string& name, std::span<const std::string> names,
                           const EachPiece& each_piece) {
  TokenTable table(names);
  VectorText text(name, table);
  bool whole = true;
  each_piece([&](std::string_view piece) { return whole = text.feed(piece); });
  if (whole) {
    text.finish();
  }
  Missing missing;
  WordVectors result = collect(names, table, missing);
  if (!missing.labels.empty()) {
    fail_missing(name, missing, names.size(), text.shortage(), [&](const auto& take) {
      LineSplitter lines(name);
      bool skip = text.has_header();
      each_piece([&](std::string_view piece) {
        return lines.feed(piece, [&](std::string_view line) {
          if (!std::exchange(skip, false)) {
            take(first_word(line));
          }
          return true;
        });
      });
      take(first_word(lines.rest()));
    });
  }
  return result;
}

}  // namespace

Tensor WordVectors::of(std::span<const std::string> wanted) const {
  std::unordered_map<std::string_view, size_t> rows;
  for (size_t k = 0; k < names.size(); ++k) {
    rows.emplace(names[k], k);
  }
  const int64_t D = dim();
  Tensor result({static_cast<int64_t>(wanted.size()), D});
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto row = rows.find(wanted[i]);
    require<DataError>(row != rows.end(), "word vectors: none for '{}'{}", printable(wanted[i]),
                       row == rows.end() ? did_you_mean(wanted[i], names) : "");
    std::copy_n(values.data<float>() + static_cast<int64_t>(row->second) * D, D,
                result.data<float>() + static_cast<int64_t>(i) * D);
  }
  return result;
}

WordVectors read_word_vectors(const fs::path& file, std::span<const std::string> names,
                              VectorNorm norm, const ReadProgress& progress) {
  const std::string name = printable(file.native());
  if (file.extension() == ".safetensors") {
    return finished(read_from_tensor(file, names), name, norm);
  }
  return finished(read_from_text(name, names, [&](const auto& take) {
    Reading reading{.progress = progress};
    read_in_pieces(file, [&](std::string_view piece, int64_t size) {
      reading.more(static_cast<int64_t>(piece.size()), size);
      return take(piece);
    });
  }), name, norm);
}

WordVectors parse_word_vectors(std::string_view text, const std::string& name,
                               std::span<const std::string> names, VectorNorm norm) {
  return finished(read_from_text(name, names, [&](const auto& take) { take(text); }), name, norm);
}

void require_distinct_words(std::span<const std::string> names, const std::string& where) {
  std::map<std::string, std::string> first;
  for (const std::string& name : names) {
    const auto [known, fresh] = first.emplace(folded_label(name), name);
    require<DataError>(fresh || known->second != name, "{}: class '{}' is listed twice", where,
                       printable(name));
    require<DataError>(fresh, "{}: the classes '{}' and '{}' differ only in capital letters or in "
                       "what separates their words, so one word vector would stand for both; spell "
                       "them alike if they are one class, else more differently", where,
                       printable(known->second), printable(name));
  }
}

void require_usable(std::span<const std::string> names, const Tensor& values,
                    const std::string& where) {
  const auto D = static_cast<size_t>(values.shape()[1]);
  for (size_t k = 0; k < names.size(); ++k) {
    const std::span<const float> row(values.data<float>() + k * D, D);
    for (size_t d = 0; d < D; ++d) {
      require<DataError>(std::isfinite(row[d]), "{}: the vector of '{}' has {} at position {}",
                         where, printable(names[k]), row[d], d + 1);
    }
    require<DataError>(std::ranges::any_of(row, [](float v) { return v != 0; }),
                       "{}: the vector of '{}' is all zero, which is no direction", where,
                       printable(names[k]));
  }
}

}  // namespace mld
