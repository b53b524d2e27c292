#include "train/run_data.h"

#include "models/registry.h"
#include "train/caption_alignment.h"
#include "train/kept_scores.h"
#include "train/objective.h"

namespace mld {

RunData open_run_data(const Config& config) {
  RunData data;
  data.splits = open_splits(data_options(config));
  const auto loader = [&](const Dataset& split, Purpose purpose) {
    return std::make_unique<Loader>(split, loader_options(config, purpose));
  };
  data.train = loader(*data.splits.train, Purpose::training);
  data.val = loader(*data.splits.val, Purpose::evaluation);
  data.model = config.model;
  data.model.classes = static_cast<int64_t>(data.splits.train->class_names().size());
  if (reads_prompts(config.model)) {
    for (Dataset* split : {data.splits.val.get(), data.splits.train.get()}) {
      split->set_vectors(class_prompts(config, split->class_names()));
    }
  }
  if (reads_words(config.model)) {
    const Tensor& words = data.splits.train->label_space().vectors;
    require<UsageError>(words.defined(), "data.vectors is missing: this model knows its classes by "
                        "word vectors; give a file of them, such as GloVe's (docs/data.md)");
    data.model.word_dim = words.shape()[-1];
  }
  check_class_weights(config.loss, data.model.classes);
  check_labels(config.task, *data.splits.train);
  check_labels(config.task, *data.splits.val);
  return data;
}

size_t RunData::bytes() const {
  const int64_t samples = splits.val->size(), classes = splits.val->label_space().size();
  return static_cast<size_t>(train->cache_bytes() + val->cache_bytes() +
                             (may_keep_scores(samples, classes) ? 2 : 1) *
                                 score_bytes(samples, classes));
}

std::unique_ptr<Classifier> make_trained_model(const Config& config, const ModelSpec& spec) {
  std::unique_ptr<Classifier> model = make_model(spec);
  freeze_parts(*model, config.train.freeze);
  return model;
}

}  // namespace mld
