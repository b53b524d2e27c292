// Parses the command lines of mltrain and mlinfer into plain structs. Nothing here opens files,
// prints or exits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/dtype.h"
#include "data/formats/shapes.h"
#include "data/preprocess.h"
#include "models/model_spec.h"

namespace mld {

inline constexpr std::string_view kVersion = "0.1.0";
extern const std::string_view kMltrainHelp, kMlinferHelp;

// --help, --help-config, --version: the text to print on stdout before exiting with code 0.
struct PrintText {
  std::string text;
};

struct TrainCommand {
  std::string config;                  // may be "" with `resume`: the run's own config
  std::vector<std::string> overrides;  // "section.key=value"; --device becomes "device=..."
  std::string resume;                  // a run folder, or ""
  std::string out;                     // "" = runs/<name>
  bool overwrite = false, print_config = false, quiet = false;
  bool no_report = false;  // do not write report.html
};

struct CheckCommand {
  std::string config;
  std::vector<std::string> overrides;
};

struct InitCommand {
  std::string folder;
  std::vector<std::string> overrides;
  std::string from;  // weights to start from, or ""
  std::string out;   // the config to write; "" = named after the folder
};

struct ShapesExportCommand {
  std::string folder;
  ShapesExport options;
};

struct ReportCommand {
  std::vector<std::string> runs;  // folders, at least one
  std::string out;                // the file to write; "" = in the first folder
};

using MltrainCommand = std::variant<PrintText, TrainCommand, CheckCommand, InitCommand,
                                    ReportCommand, ShapesExportCommand>;

// arguments: argv without the program's name. Errors: UsageError with a short message that names
// the nearest command or option.
MltrainCommand parse_mltrain(std::span<const std::string> arguments);

// A checkpoint and labelled pictures.
struct SplitCommand {
  std::string checkpoint;
  std::string data;  // a config file or a data folder; "" = the run's own data
  std::string split = "val";
  std::vector<std::string> overrides;
  bool json = false;
};

struct EvalCommand : SplitCommand {
  bool keep_scores = false;  // in the checkpoint's run folder, for its report
};

struct ThresholdsCommand : SplitCommand {
  std::optional<double> precision;  // wanted of every class; none: the best F1
};

// Labels asked for, which the model need not know.
struct LabelRequest {
  std::string labels;       // separated by commas; "" = those the model knows
  std::string labels_file;  // the same, one a line; "" = none
  std::vector<std::string> names{};  // each as it is. At most one of the three
  std::string vectors;      // a file of word vectors for labels that the model never saw
  std::string vocabulary;   // CLIP's tokenizer's
  std::string prompt = "a photo of a {}";  // CLIP: what is compared with pictures, {} the label
  std::string option = "--labels";         // where labels come from, for messages
  bool given = false;  // whether labels were asked for, perhaps none
  bool needed = true;  // search that only saves embeddings has no labels
};

// A file of weights, and pictures for it.
struct PictureCommand {
  std::string checkpoint;             // or a CLIP's weights
  std::vector<std::string> pictures;  // files and folders, at least one
  std::optional<int64_t> max_pixels;  // of a picture
  std::string device = "auto";
  DType precision = DType::f32;  // of activations
  LabelRequest asked;
  bool json = false, csv = false;  // at most one
};

struct PredictCommand : PictureCommand {
  std::optional<int64_t> top_k;
  std::optional<double> threshold;
  std::string html;        // a page to write, or ""
  bool attention = false;  // shown in it
};

// One picture; asked.names are the labels, none: those that predict would show.
struct AttentionCommand : PictureCommand {
  std::optional<int64_t> top_k;
  std::optional<double> threshold;
  std::optional<int> head;  // none: the mean of all
  std::string out;          // a file for one name, else a folder; "" = named after the picture
  double opacity = 0.6;     // of the colours, 0 to 1
  int64_t size = 1024;      // most pixels of the longer side
};

struct SearchCommand : PictureCommand {  // asked.labels is the query
  int64_t top_k = 20;
  std::string save_embeddings;  // "" = they are not kept
};

struct InfoCommand {
  std::string checkpoint;  // "" = describe `model`
  std::string model, head = ModelSpec{}.head;
  int64_t classes = 80, image_size = Preprocess{}.image_size;  // of a model without a checkpoint
  bool stages = false;                                         // a line per stage, not per layer
};

struct ExportCommand {
  std::string checkpoint;  // ours, or another program's weights
  std::string naming = "mldecoder";
  std::string out;                     // "" = beside the checkpoint
  std::string classes;                 // a file of class names, or ""
  std::vector<std::string> overrides;  // what another program's weights do not say
};

using MlinferCommand =
    std::variant<PrintText, EvalCommand, ThresholdsCommand, PredictCommand, AttentionCommand,
                 SearchCommand, ExportCommand, InfoCommand>;

// As parse_mltrain.
MlinferCommand parse_mlinfer(std::span<const std::string> arguments);

}  // namespace mld
