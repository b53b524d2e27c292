#include "app/label_attention.h"

#include <algorithm>

#include "models/clip.h"
#include "train/checkpoint.h"
#include "train/run_folder.h"

namespace mld {

static ModelSpec spec_with_attention(const std::string& checkpoint) {
  {
    const CheckpointFile file(weights_file(checkpoint), Verify::metadata_only);
    require<UsageError>(file.ours() || !is_clip(file.names()),
                        "attention: a CLIP has none: it compares whole pictures with texts; models "
                        "with a decoder have it, also those trained on a CLIP (clip_decoder)");
  }
  return read_checkpoint_info(checkpoint).model;
}

LabelAttention::LabelAttention(const std::string& checkpoint)
    : attention_(spec_with_attention(checkpoint)) {}

LabelMap LabelAttention::map(const Recognizer& recognizer, const std::string& label,
                             int64_t picture, std::optional<int> head) {
  if (outputs_.empty()) {
    outputs_ = recognizer.model_outputs();
    for (size_t k = 0; k < outputs_.size(); ++k) {
      columns_[outputs_[k]] = static_cast<int64_t>(k);
    }
  }
  const int64_t query = attention_.query_of(columns_.at(label));
  const int64_t g = attention_.classes_per_query();
  const auto first = outputs_.begin() + query * g;
  const auto last = outputs_.begin() + std::min((query + 1) * g, std::ssize(outputs_));
  return {.query = query, .sharing = {first, last},
          .map = attention_.map(picture, query, head)};
}

}  // namespace mld
