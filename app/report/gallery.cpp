// The page of mlinfer predict --html.
#include "app/gallery.h"

#include <algorithm>

#include "app/program.h"
#include "app/report/labelled_picture.h"
#include "app/report/page_frame.h"
#include "app/report/pictures.h"
#include "data/file.h"
#include "data/text.h"
#include "train/thresholds.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// The more pictures there are, the smaller they are shown, so that more of them fit.
int side_for(int64_t pictures) {
  return pictures <= 300 ? 256 : pictures <= 700 ? 160 : 96;
}

std::string labels_text(const PredictCommand& command, const Recognizer& recognizer) {
  std::string text = command.top_k ? fmt::format("the best {}", *command.top_k)
                     : recognizer.one_label() && !command.threshold
                         ? "the best one"
                         : "those with at least their threshold, and always the best one";
  return text + fmt::format(", of {}", recognizer.labels().size());
}

class GalleryPage : public Gallery {
 public:
  GalleryPage(const PredictCommand& command, const Recognizer& recognizer, int64_t pictures,
              int heads)
      : command_(command), recognizer_(recognizer), side_(side_for(pictures)),
        page_("Labels of " + counted(pictures, "picture")),
        summary_(page_.section("summary", "Summary", "gallery_summary.html")),
        pictures_(page_.section("pictures", "Pictures", "gallery.html")),
        counts_(recognizer.labels().size(), 0),
        thresholds_(thresholds_of(command.threshold, recognizer)) {
    if (!thresholds_.empty()) {
      pictures_.show("THRESHOLDS");
    }
    if (recognizer.tells_seen()) {
      pictures_.show("STARS");
    }
    if (heads > 0) {
      pictures_.section("ATTENTION").set("HEADS", heads);
    }
  }

  int side() const override { return full_ ? 0 : side_; }

  void add(const fs::path& file, const std::optional<SmallPicture>& small,
           const std::vector<Prediction>& labels, const std::vector<LabelMap>& maps) override {
    ++labelled_;
    for (const Prediction& p : labels) {
      counts_[static_cast<size_t>(p.label - recognizer_.labels().data())] += p.above ? 1 : 0;
    }
    if (full_ || !small) {
      return;
    }
    LabelledPicture picture(file.native(), small->image,
                            seen_part(small->width, small->height, recognizer_.preprocess()));
    for (size_t i = 0; i < labels.size(); ++i) {
      picture.add(labels[i], maps.empty() ? nullptr : &maps[i]);
    }
    full_ = !budget_.take(bytes_of(picture));
    if (!full_) {
      show(picture, pictures_.section("PICTURE"));
    }
  }

  void write(const std::vector<BadPicture>& unreadable) override {
    fill_summary(unreadable);
    const int64_t left_out = labelled_ - budget_.added();
    page_.note_left_out(left_out);
    const std::string html = page_.html();
    write_file_atomically(command_.html, html);
    print(stderr, "mlinfer: {}: {}{}\n", printable(command_.html),
          counted(budget_.added(), "picture"),
          left_out > 0 ? fmt::format(", {} more do not fit into {} MB", left_out,
                                     kMostPageBytes / 1'000'000) : "");
  }

 private:
  void add_fact(const char* name, std::string_view value) {
    Slots fact = summary_.section("FACT");
    fact.set("NAME", name);
    fact.set("VALUE", value);
  }

  void fill_summary(const std::vector<BadPicture>& unreadable) {
    add_fact("Weights", command_.checkpoint);
    add_fact("Pictures", fmt::format("{}{}", labelled_,
                                     unreadable.empty() ? ""
                                         : fmt::format(", and {} that could not be read",
                                                       unreadable.size())));
    add_fact("Labels", labels_text(command_, recognizer_));
    PictureBudget texts(kTableBytes);
    for (const BadPicture& bad : unreadable) {
      if (texts.take(kRowMarkup + name_bytes(bad.error))) {
        summary_.show("UNREADABLE", "TEXT", bad.error);
      }
    }
    if (texts.left_out() > 0) {
      summary_.show("UNREADABLE", "TEXT", fmt::format("and {} more", texts.left_out()));
    }
    fill_labels();
  }

  void fill_labels() {
    const std::vector<AskedLabel>& labels = recognizer_.labels();
    std::vector<size_t> order;
    for (size_t k = 0; k < labels.size(); ++k) {
      if (counts_[k] > 0) {
        order.push_back(k);
      }
    }
    std::ranges::stable_sort(order, std::greater(), [&](size_t k) { return counts_[k]; });
    PictureBudget rows(kTableBytes);
    for (const size_t k : order) {
      if (!rows.take(kRowMarkup + name_bytes(labels[k].name))) {
        continue;
      }
      Slots row = summary_.section("LABEL");
      row.set_name("NAME", labels[k].name);
      row.set("COUNT", counts_[k]);
      row.set("THRESHOLD",
              thresholds_.empty() ? "–" : threshold_text(thresholds_[k], 1, 100));
      if (!labels[k].seen) {
        row.show("UNSEEN");
      }
    }
    if (rows.left_out() > 0) {
      summary_.show("MORE", "TEXT", fmt::format("and {} more", rows.left_out()));
    }
  }

  static constexpr size_t kFrameBytes = 100'000;  // of the page without contents
  static constexpr size_t kTableBytes = 500'000;  // of the labels, and of what could not be read
  static constexpr size_t kRowMarkup = 200;

  const PredictCommand& command_;
  const Recognizer& recognizer_;
  int side_;
  Page page_;
  Slots summary_, pictures_;
  PictureBudget budget_{kMostPageBytes - kFrameBytes - 2 * kTableBytes};
  std::vector<int64_t> counts_;  // of pictures, by label
  std::vector<double> thresholds_;
  int64_t labelled_ = 0;
  bool full_ = false;
};

}  // namespace

std::unique_ptr<Gallery> open_gallery(const PredictCommand& command, const Recognizer& recognizer,
                                      int64_t pictures, int heads) {
  const fs::path out = command.html;
  std::error_code absent;
  for (const std::string& read : command.pictures) {
    require<UsageError>(!fs::equivalent(out, read, absent), "--html: {} is one of the pictures",
                        printable(out.native()));
  }
  require<UsageError>(!fs::equivalent(out, command.checkpoint, absent),
                      "--html: {} is the checkpoint", printable(out.native()));
  require_page_place(out, "--html");
  return std::make_unique<GalleryPage>(command, recognizer, pictures, heads);
}

}  // namespace mld
