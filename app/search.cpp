// mlinfer search: a folder's pictures, ranked by what they show.
#include <algorithm>
#include <cmath>

#include "app/embeddings.h"
#include "app/infer.h"
#include "app/picture_batches.h"
#include "app/program.h"
#include "app/recognizer.h"
#include "core/kernels.h"
#include "data/json_writer.h"
#include "data/text.h"
#include "train/finite.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

struct Hit {
  fs::path file;
  double score;
  std::vector<float> parts;  // [labels of the query]
};

// What all parts of a query say of a picture: of scores 0 to 1 the geometric mean, so that no part
// makes up for another that is missing; of cosines the mean.
double together(std::span<const float> parts, bool cosines) {
  double sum = 0;
  for (const float part : parts) {
    sum += cosines ? part : std::log(std::max(part, 1e-30f));
  }
  const double mean = sum / static_cast<double>(parts.size());
  return cosines ? mean : std::exp(mean);
}

// The best pictures so far.
class Ranking {
 public:
  Ranking(const Recognizer& recognizer, int64_t top_k)
      : recognizer_(recognizer), top_k_(static_cast<size_t>(top_k)) {}

  // embeddings f32 [n, E]; file(row) -> path
  void add(const Tensor& embeddings, const auto& file) {
    const size_t Q = recognizer_.labels().size();
    const std::vector<float> all = recognizer_.similarities(embeddings).to_vector();
    for (size_t row = 0; row * Q < all.size(); ++row) {
      const std::span parts = std::span(all).subspan(row * Q, Q);
      hits_.push_back({file(row), together(parts, cosines()), {parts.begin(), parts.end()}});
    }
    std::ranges::stable_sort(hits_, std::greater{}, &Hit::score);
    if (hits_.size() > top_k_) {
      hits_.erase(hits_.begin() + static_cast<std::ptrdiff_t>(top_k_), hits_.end());
    }
  }

  void print_all(const SearchCommand& command) const {
    if (command.csv) {
      print(stdout, "file,score\n");
    }
    for (const Hit& hit : hits_) {
      if (command.json) {
        JsonWriter json;
        json.object().member("file", hit.file.native()).member("score", rounded(hit.score));
        json.key("labels").array();
        for (size_t k = 0; k < hit.parts.size(); ++k) {
          const AskedLabel& label = recognizer_.labels()[k];
          json.object().member("name", label.name).member("score", rounded(hit.parts[k]));
          if (recognizer_.tells_seen()) {
            json.member("seen", label.seen);
          }
          json.end();
        }
        print(stdout, "{}\n", json.end().end().text());
      } else if (command.csv) {
        print(stdout, "{},{:.6f}\n", csv_field(hit.file.native()), hit.score);
      } else if (cosines()) {
        print(stdout, "{:7.4f}  {}\n", hit.score, printable(hit.file.native()));
      } else {
        print(stdout, "{:5.1f} %  {}\n", 100 * hit.score, printable(hit.file.native()));
      }
    }
  }

 private:
  bool cosines() const { return recognizer_.cosines(); }

  const Recognizer& recognizer_;
  size_t top_k_;
  std::vector<Hit> hits_;
};

Tensor checked(Recognizer& recognizer, const PictureBatches& pictures, const Batch& batch) {
  const Tensor embeddings = recognizer.embed(batch.images);
  check_outputs(embeddings.to_vector(), embeddings.shape()[-1], [&](int64_t row) {
    return pictures.file(batch, static_cast<size_t>(row)).native();
  });
  return embeddings;
}

// All pictures' embeddings, kept in the file.
Embeddings embed_all(const SearchCommand& command, PictureBatches& pictures,
                     Recognizer& recognizer) {
  Embeddings all{.kind = recognizer.kind(), .fingerprint = recognizer.fingerprint(),
                 .labels = recognizer.columns(), .files = {}, .values = {}};
  std::vector<float> values;
  while (const auto batch = pictures.next()) {
    const std::vector<float> rows = checked(recognizer, pictures, *batch).to_vector();
    values.insert(values.end(), rows.begin(), rows.end());
    for (size_t row = 0; row < batch->indices.size(); ++row) {
      all.files.push_back(pictures.file(*batch, row));
    }
  }
  const int64_t N = std::ssize(all.files);
  require<DataError>(N > 0, "search: no picture could be read");
  all.values = Tensor::from({N, recognizer.width()}, values);
  save_embeddings(command.save_embeddings, all);
  return all;
}

void search_saved(const SearchCommand& command, const Embeddings& saved,
                  const Recognizer& recognizer) {
  require<UsageError>(saved.kind == recognizer.kind() &&
                          saved.fingerprint == recognizer.fingerprint(),
                      "search: these embeddings were not made by {}; search with the weights that "
                      "made them, or save them again", printable(command.checkpoint));
  require<UsageError>(saved.labels == recognizer.columns(),
                      "{}: kept are the scores of {} labels only, and the query has others; search "
                      "the pictures themselves", command.asked.option, saved.labels.size());
  require<DataError>(saved.values.shape()[1] == recognizer.width(),
                     "search: embeddings of {} numbers, but the model's have {}",
                     saved.values.shape()[1], recognizer.width());
  Ranking ranking(recognizer, command.top_k);
  ranking.add(saved.values, [&](size_t row) { return saved.files[row]; });
  ranking.print_all(command);
}

// Before all pictures have been looked at for nothing.
void require_folder(const fs::path& file) {
  require<UsageError>(!file.has_parent_path() || fs::is_directory(file.parent_path()),
                      "--save-embeddings: there is no folder {}",
                      printable(file.parent_path().native()));
}

}  // namespace

ExitCode execute(const SearchCommand& command) {
  use_threads(0);
  const bool saved = command.pictures.size() == 1 && is_embeddings(command.pictures[0]);
  const bool saves = !command.save_embeddings.empty();
  require<UsageError>(!saved || (command.asked.needed && !saves),
                      "search: {} are embeddings already: give --query, and no --save-embeddings",
                      printable(command.pictures[0]));
  if (saved) {
    search_saved(command, load_embeddings(command.pictures[0]), *open_recognizer(command));
    return ExitCode::ok;
  }
  const std::unique_ptr<Recognizer> recognizer = open_recognizer(command);
  if (saves) {
    require_folder(command.save_embeddings);
    // Of a query with new labels the logits are not kept: who searches again may ask for others.
    SearchCommand known = command;
    known.asked.labels.clear();
    known.asked.given = known.asked.needed = false;
    const std::unique_ptr<Recognizer> keeper = open_recognizer(known);
    require<UsageError>(keeper->columns() == recognizer->columns(),
                        "{}: a label that the checkpoint does not know can be searched for only "
                        "in the pictures themselves, without --save-embeddings",
                        command.asked.option);
    PictureBatches pictures(command, keeper->preprocess(), stderr_style());
    const Embeddings all = embed_all(command, pictures, *keeper);
    const ExitCode code = pictures.finish();
    if (command.asked.needed) {
      search_saved(command, all, *recognizer);
    }
    return code;
  }
  PictureBatches pictures(command, recognizer->preprocess(), stderr_style());
  Ranking ranking(*recognizer, command.top_k);
  while (const auto batch = pictures.next()) {
    ranking.add(checked(*recognizer, pictures, *batch),
                [&](size_t row) { return pictures.file(*batch, row); });
  }
  const ExitCode code = pictures.finish();
  ranking.print_all(command);
  return code;
}

}  // namespace mld
