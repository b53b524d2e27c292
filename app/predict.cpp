// mlinfer predict: the labels of pictures.
#include <unistd.h>

#include <algorithm>

#include "app/gallery.h"
#include "app/infer.h"
#include "app/label_attention.h"
#include "app/picture_batches.h"
#include "app/predictions.h"
#include "app/program.h"
#include "app/terminal.h"
#include "core/kernels.h"
#include "data/json_writer.h"
#include "data/text.h"
#include "train/finite.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// Beside a bar a label's percentage, mark and name need so many columns, of the terminal's.
constexpr int kLabelColumns = 28, kLongestBar = 20;

// As text with bars if `out` is a terminal: what scripts read stays as it is.
void print_labels(const fs::path& file, const std::vector<Prediction>& labels,
                  const PredictCommand& command, bool marks, const TerminalStyle& out) {
  if (command.json) {
    JsonWriter json;
    json.object().member("file", file.native()).key("labels").array();
    for (const Prediction& p : labels) {
      json.object().member("name", p.label->name);
      if (p.label->id != AskedLabel::kUnknown) {
        json.member("id", p.label->id);
      }
      json.member("score", rounded(p.score)).member("above", p.above);
      if (marks) {
        json.member("seen", p.label->seen);
      }
      json.end();
    }
    print(stdout, "{}\n", json.end().end().text());
    return;
  }
  if (command.csv) {
    for (const Prediction& p : labels) {
      print(stdout, "{},{},{},{:.6f},{:d}{}\n", csv_field(file.native()),
            csv_field(p.label->name),
            p.label->id == AskedLabel::kUnknown ? "" : std::to_string(p.label->id), p.score,
            p.above, !marks ? "" : p.label->seen ? ",1" : ",0");
    }
    return;
  }
  print(stdout, "{}\n", printable(file.native()));
  const int cells = out.terminal ? std::clamp(out.width - kLabelColumns, 0, kLongestBar) : 0;
  for (const Prediction& p : labels) {
    const double score = double{p.score};
    const std::string bar = cells > 0 ? filled_bar(score, cells, out) + " " : "";
    print(stdout, "  {:5.1f} % {}{} {}{}\n", 100.0 * score, bar, p.above ? '+' : ' ',
          printable(p.label->name), p.label->seen ? "" : " *");
  }
}

// A picture's maps, one a label.
std::vector<LabelMap> maps_of(LabelAttention& attention, const Recognizer& recognizer,
                              const std::vector<Prediction>& labels, size_t row) {
  std::vector<LabelMap> maps;
  for (const Prediction& p : labels) {
    maps.push_back(attention.map(recognizer, p.label->name, static_cast<int64_t>(row)));
  }
  return maps;
}

// Results that scroll by on the terminal are progress enough.
TerminalStyle progress_style() {
  TerminalStyle style = stderr_style();
  style.terminal = style.terminal && ::isatty(STDOUT_FILENO) == 0;
  return style;
}

}  // namespace

ExitCode execute(const PredictCommand& command) {
  use_threads(0);
  std::optional<LabelAttention> attention;
  if (command.attention) {
    attention.emplace(command.checkpoint);
  }
  const std::unique_ptr<Recognizer> recognizer = open_recognizer(command);
  const std::vector<AskedLabel>& labels = recognizer->labels();
  require<UsageError>(!recognizer->cosines() || labels.size() > 1,
                      "{}: a CLIP's scores add up to 1, so one label alone always has that: name "
                      "what else a picture may show", command.asked.option);
  const std::vector<double> thresholds = thresholds_of(command.threshold, *recognizer);
  const bool marks = recognizer->tells_seen();
  const TerminalStyle out = stdout_style();
  PictureBatches pictures(command, recognizer->preprocess(), progress_style());
  const std::unique_ptr<Gallery> gallery =
      command.html.empty() ? nullptr : open_gallery(command, *recognizer, pictures.size(),
                                                    attention ? attention->heads() : 0);
  if (command.csv) {
    print(stdout, "file,label,id,score,above{}\n", marks ? ",seen" : "");
  }
  const auto side = [&] { return gallery != nullptr ? gallery->side() : 0; };
  pictures.keep_small(side());
  while (const auto batch = pictures.next()) {
    const Tensor embeddings =
        recognizer->embed(batch->images, attention && side() > 0 ? attention->tap() : Tap{});
    check_outputs(embeddings.to_vector(), embeddings.shape()[-1], [&](int64_t row) {
      return pictures.file(*batch, static_cast<size_t>(row)).native();
    });
    const std::vector<float> scores = recognizer->scores(embeddings).to_vector();
    for (size_t row = 0; row < batch->indices.size(); ++row) {
      const std::vector<Prediction> shown =
          choose(std::span(scores).subspan(row * labels.size(), labels.size()), labels, thresholds,
                 command.top_k);
      print_labels(pictures.file(*batch, row), shown, command, marks, out);
      if (gallery != nullptr) {
        gallery->add(pictures.file(*batch, row), pictures.small(*batch, row), shown,
                     attention && side() > 0 ? maps_of(*attention, *recognizer, shown, row)
                                             : std::vector<LabelMap>{});
      }
    }
    pictures.keep_small(side());
  }
  const ExitCode code = pictures.finish();
  if (gallery != nullptr) {
    gallery->write(pictures.bad_pictures());
  }
  return code;
}

}  // namespace mld
