#include "app/asked_labels.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "app/program.h"
#include "app/progress.h"
#include "data/file.h"
#include "data/label_tokens.h"
#include "data/prompts.h"
#include "data/text.h"
#include "data/tokenizer.h"
#include "data/word_vectors.h"
#include "models/registry.h"
#include "train/thresholds.h"

namespace mld {

std::vector<std::string> asked_names(const LabelRequest& request) {
  if (!request.given) {
    return {};
  }
  const bool from_file = !request.labels_file.empty();
  std::vector<std::string> names = request.names;
  if (from_file) {
    constexpr int64_t kMostBytes = int64_t{16} << 20;
    const std::string text = read_text_file(request.labels_file, kMostBytes);
    names = filled_lines(without_mark(text, printable(request.labels_file)));
  } else if (names.empty()) {
    names = comma_separated(request.labels);
  }
  const std::string where = from_file ? printable(request.labels_file) : request.option;
  require<UsageError>(!names.empty(), "{}: no label; expected {}", where,
                      from_file ? "one a line" : "names separated by commas");
  for (const std::string& name : names) {
    require<DataError>(is_utf8(name), "{}: '{}' is not UTF-8", where, printable(name));
  }
  return names;
}

static void require_asked_once(const std::vector<AskedLabel>& labels, const std::string& where) {
  std::set<std::string> names;
  for (const AskedLabel& label : labels) {
    require<UsageError>(names.insert(label.name).second, "{}: '{}' is asked for twice", where,
                        printable(label.name));
  }
}

// The column of a class with the same words; of several (classes may differ in case where no word
// vectors are read), only one that is spelled alike.
static int64_t known_class(const std::string& name, const CheckpointInfo& info) {
  const auto& classes = info.class_names;
  if (const auto same = std::ranges::find(classes, name); same != classes.end()) {
    return same - classes.begin();
  }
  const std::string words = folded_label(name);
  int64_t found = AskedLabel::kUnknown;
  for (size_t k = 0; k < classes.size(); ++k) {
    if (folded_label(classes[k]) == words) {
      if (found != AskedLabel::kUnknown) {
        return AskedLabel::kUnknown;
      }
      found = static_cast<int64_t>(k);
    }
  }
  return found;
}

static AskedLabel known_label(size_t k, const CheckpointInfo& info) {
  return {.name = info.class_names[k],
          .id = static_cast<int64_t>(k),
          .seen = info.seen.empty() || info.seen[k],
          .threshold = info.thresholds.empty() ? kDefaultThreshold : info.thresholds[k]};
}

// Of labels for which none was fitted: the median of those that were.
static double usual_threshold(const CheckpointInfo& info) {
  std::vector<double> fitted = info.thresholds;
  if (fitted.empty()) {
    return kDefaultThreshold;
  }
  const auto middle = fitted.begin() + std::ssize(fitted) / 2;
  std::ranges::nth_element(fitted, middle);
  return *middle;
}

std::vector<AskedLabel> asked_labels(const LabelRequest& request, const CheckpointInfo& info) {
  const std::vector<std::string> names = asked_names(request);
  std::vector<AskedLabel> labels;
  for (size_t k = 0; names.empty() && k < info.class_names.size(); ++k) {
    labels.push_back(known_label(k, info));
  }
  for (const std::string& name : names) {
    const int64_t k = known_class(name, info);
    if (k != AskedLabel::kUnknown) {
      labels.push_back(known_label(static_cast<size_t>(k), info));
      continue;
    }
    require<UsageError>(by_words_alone(info.model),
                        "{}: the model has fixed classes, and '{}' is none of them{}; only models "
                        "that know classes by words alone can be asked for others: word queries "
                        "with shared pooling, SDL, CLIP", request.option, printable(name),
                        did_you_mean(name, info.class_names));
    labels.push_back({.name = name, .id = AskedLabel::kUnknown, .seen = false,
                      .threshold = usual_threshold(info)});
  }
  require_asked_once(labels, request.option);
  if (reads_words(info.model)) {
    std::vector<std::string> all;
    std::ranges::transform(labels, std::back_inserter(all), &AskedLabel::name);
    require_distinct_words(all, request.option);
  }
  return labels;
}

// How training's vectors were scaled (data.vector_norm), as they show themselves.
static VectorNorm norm_of(const CheckpointInfo& info) {
  const auto D = static_cast<size_t>(info.model.word_dim);
  for (size_t at = 0; at < info.vectors.size(); at += D) {
    const std::span row = std::span(info.vectors).subspan(at, D);
    const double square = std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
    if (std::abs(square - 1) > 1e-3) {
      return VectorNorm::keep;
    }
  }
  return VectorNorm::unit;
}

// What the model reads of names that the checkpoint does not have: vectors or prompts.
static Tensor words_of(const std::vector<std::string>& unknown, const LabelRequest& request,
                       const CheckpointInfo& info) {
  if (reads_prompts(info.model)) {
    require<UsageError>(!request.vocabulary.empty(),
                        "{}: the checkpoint has no prompt of {}{}; name the tokenizer's file that "
                        "training had: --vocabulary FILE", request.option, name_list(unknown),
                        did_you_mean(unknown[0], info.class_names));
    return prompt_tokens(Tokenizer(std::filesystem::path(request.vocabulary)),
                         info.model.clip.prompt, unknown);
  }
  require<UsageError>(!request.vectors.empty(),
                      "{}: the checkpoint has no word vector of {}{}; name the file of vectors "
                      "that training had: --vectors FILE", request.option, name_list(unknown),
                      did_you_mean(unknown[0], info.class_names));
  const WordVectors read = read_word_vectors(
      request.vectors, unknown, norm_of(info),
      reading_progress("reading word vectors", {stderr_style(), write_stderr, monotonic_seconds}));
  require<DataError>(read.dim() == info.model.word_dim,
                     "{}: vectors of {} numbers, but the model was trained with {}",
                     printable(request.vectors), read.dim(), info.model.word_dim);
  return read.values;
}

LabelSpace label_space_of(const std::vector<AskedLabel>& labels, const LabelRequest& request,
                          const CheckpointInfo& info) {
  const int64_t D = info.model.word_dim;
  std::vector<std::string> unknown;
  for (const AskedLabel& label : labels) {
    if (label.id == AskedLabel::kUnknown) {
      unknown.push_back(label.name);
    }
  }
  const Tensor read = unknown.empty() ? Tensor{} : words_of(unknown, request, info);
  LabelSpace space{.names = {}, .seen = {}, .vectors = Tensor({std::ssize(labels), D})};
  size_t next = 0;
  float* to = space.vectors.data<float>();
  for (const AskedLabel& label : labels) {
    space.names.push_back(label.name);
    space.seen.push_back(label.seen);
    const float* from = label.id == AskedLabel::kUnknown
                            ? read.data<float>() + D * static_cast<int64_t>(next++)
                            : info.vectors.data() + D * label.id;
    to = std::copy_n(from, D, to);
  }
  return space;
}

}  // namespace mld
