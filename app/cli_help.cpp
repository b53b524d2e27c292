// The texts of --help.
#include "app/cli.h"

namespace mld {

const std::string_view kMltrainHelp = R"(Trains image classifiers.

  mltrain CONFIG.toml [section.key=value ...] [options]      train
  mltrain init FOLDER [section.key=value ...] [options]      look at the data, write a config
  mltrain check CONFIG.toml|FOLDER [section.key=value ...]   look at the data, estimate the run
  mltrain report RUN [RUN2 ...] [--out FILE]                 runs as one page, RUN/report.html
  mltrain shapes-export DIR [key=value ...]                  write the built-in data in COCO format

Options of training:
  --resume DIR        go on with the run in DIR; its own config is used, one given must agree
  --out DIR           where the run is kept (default runs/<name>; a new name if it exists)
  --overwrite         empty the run folder first if it exists
  --device DEVICE     cpu, cuda or cuda:N (default: the config's device, "auto")
  --print-config      print every value and where it comes from, and stop
  --quiet             warnings and results only
  --no-report         do not write report.html while training

Options of init:
  --from WEIGHTS      start from a checkpoint, ours or another program's
  --out CONFIG.toml   the config to write (default: FOLDER's name, here)

Options of report:
  --out FILE          the page to write (default: RUN/report.html; of several runs
                      RUN/comparison.html)

Keys of shapes-export: seed, image_size, train, val, test (pictures per split), jpeg, jpeg_quality

  --help-config [SECTION]   list the config's keys: type, default, meaning
  --version, --help

Example: mltrain configs/shapes_resnet18.toml train.epochs=2
)";

const std::string_view kMlinferHelp = R"(Uses trained image classifiers.

  mlinfer eval CHECKPOINT [key=value ...] [options]   measure on a labelled split; precision
                             and recall are those at a score of 0.5 (docs/metrics.md)
      --data CONFIG|FOLDER   the data (default: what the run was configured with)
      --split NAME           train, val or test (default val)
      --device DEVICE        cpu, cuda or cuda:N (default: the config's)
      --precision f32|bf16   of activations (default: the config's train.precision)
      --json                 one JSON object on stdout
      --keep-scores          keep the scores in the checkpoint's run folder: mltrain report then
                             shows classes and pictures of val, and of train labels that may be
                             wrong (training keeps val's unless there are very many)
  mlinfer thresholds CHECKPOINT [key=value ...] [options]   fit a threshold per class and keep
                             them in the checkpoint, for predict and eval (a multi-label run
                             fits those of its best weights for F1); options as for eval, but
      --precision P          each class's largest recall with at least this precision, above 0
                             to 1 (default: its best F1)
  mlinfer predict CHECKPOINT PICTURE|FOLDER... [options]
      --threshold T          show labels with a score of at least T, 0 to 1, and always the best
                             one (default: each class's own threshold, 0.5 if none were fitted);
                             single-label: scores add up to 1, by default the best class alone
      --top-k N              show the N best labels instead; + marks those at their threshold
      --max-pixels N         read pictures of up to N pixels (default 67108864)
      --device DEVICE        auto, cpu, cuda or cuda:N (default auto: a GPU if there is one)
      --precision f32|bf16   of activations (default f32)
      --json | --csv         one JSON line per picture | CSV
      --html FILE.html       besides, one page with the pictures, their labels and scores; at most
                             8 MB: of very many pictures the first ones
      --attention            in this page: where the model looks for each label, behind a slider
      --labels "A,B"         score these labels only; a model that knows labels by words (zero-shot)
                             can be asked for any; behind a label, * says: not seen in training
      --labels-file FILE     the same, one a line
      --vectors FILE         word vectors (GloVe, fastText ...) of labels that are not in CHECKPOINT
  mlinfer predict CLIP_WEIGHTS PICTURE|FOLDER... --labels "A,B" --vocabulary FILE [options]
                             CLIP as it is, without training: OpenAI's or open_clip's state dict
      --vocabulary FILE      its tokenizer's bpe_simple_vocab_16e6.txt.gz
      --prompt TEXT          what is compared with pictures, {} the label (default
                             "a photo of a {}")
  mlinfer attention CHECKPOINT PICTURE [options]      where a model with a decoder looks for a
                             label: the picture in grey and over it, in colours from dark purple (no
                             attention) to yellow (the most it pays to this picture), the part that
                             the model saw: with data.resize squash and pad all of it, with crop
                             the middle, and what is outside is darkened; classes that share a
                             query (model.groups) share a map
      --label NAME           this label; may be given again (default: those that predict shows,
                             by --threshold or --top-k), marked as by predict
      --out FILE.png|FOLDER  for one --label a file, else a folder with a file a label (default:
                             PICTURE's name, here)
      --head mean|N          the mean of the decoder's heads (default), or head N, from 0
      --opacity A            of the colours, 0 to 1 (default 0.6)
      --size N               at most so many pixels a side (default 1024)
      --json                 the weights too; --vectors, --vocabulary, --prompt, --max-pixels,
                             --device, --precision as for predict
  mlinfer search CHECKPOINT|CLIP_WEIGHTS PICTURE|FOLDER... --query "A,B" [options]   the pictures
                             that show all of these best; --vectors, --vocabulary, --prompt,
                             --max-pixels, --device, --precision, --json, --csv as for predict
      --top-k N              how many (default 20)
      --save-embeddings FILE keep what the model sees in the pictures: FILE is then searched in
                             place of them, in no time, with SDL and CLIP for any query
  mlinfer export CHECKPOINT [options]                 the weights under another program's names
  mlinfer export WEIGHTS [key=value ...] [options]    another program's weights, also a .pth, as a
                             checkpoint; keys are the config's: data.image_size, data.normalize,
                             data.resize, data.crop_pct, task, model.backbone
      --naming NAME          mldecoder (default: a checkpoint for mlinfer), official, timm,
                             torchvision, sdl, efficientnet_pytorch
      --format safetensors   the only one
      --classes FILE         class names, one a line
      --out FILE             (default: beside the checkpoint)
  mlinfer info CHECKPOINT [--stages]                  what a checkpoint holds, and of its model:
  mlinfer info --model NAME [options]                 shape, parameters and cost of every layer
      --stages               a line per stage, not per layer
      --head NAME            as the config key model.head (mltrain --help-config model)
      --classes N            (default 80)
      --image-size S         pixels (default 448)

  --version, --help

Example: mlinfer predict runs/shapes_resnet18/weights/best.safetensors picture.jpg --top-k 5
)";

}  // namespace mld
