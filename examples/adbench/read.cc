// Reads ADBench's files number by number.
#include "tenon/examples/adbench/read.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

#include "tenon/ir/base/error.h"

namespace adbench {
namespace {

constexpr int64_t most = 1 << 24;  // of anything that a file counts

class Numbers {
 public:
  explicit Numbers(const std::string& path) : path_(path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw tn::Error("ADBench file '" + path + "' cannot be opened; is the folder with the data right?");
    std::ostringstream all;
    all << file.rdbuf();
    text_ = all.str();
  }

  int64_t count() {
    const double value = next();
    const auto whole = static_cast<int64_t>(value);
    if (static_cast<double>(whole) != value || whole < 0 || whole > most) refuse("a count is no count");
    return whole;
  }
  double next() {
    skip();
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc{}) refuse(at_ == text_.size() ? "it ends early" : "it holds something that is no number");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }
  std::string word() {  // up to a colon
    skip();
    const size_t from = at_;
    at_ = std::min(text_.find(':', from), text_.size());
    return text_.substr(from, at_ - from);
  }
  bool at_end() {
    skip();
    return at_ == text_.size();
  }
  std::vector<double> values(size_t count) {
    std::vector<double> list(count);
    for (double& value : list) value = next();
    return list;
  }
  Tensor tensor(const std::vector<int64_t>& shape) {
    int64_t size = 1;
    for (int64_t extent : shape) size *= extent;
    if (size > most) refuse("it counts more than such files hold");
    return tn::copy_from(values(static_cast<size_t>(size)).data(), shape, tn::f64);
  }
  [[noreturn]] void refuse(const std::string& reason) const {
    throw tn::Error("ADBench file '" + path_ + "': " + reason + " (byte " + std::to_string(at_) + ")");
  }

 private:
  void skip() {
    while (at_ < text_.size() && (std::isspace(static_cast<unsigned char>(text_[at_])) || text_[at_] == ':')) ++at_;
  }
  std::string path_, text_;
  size_t at_ = 0;
};

Tensor floats(const std::vector<double>& values, const std::vector<int64_t>& shape) {
  return tn::copy_from(values.data(), shape, tn::f64);
}

struct Bone {
  int64_t parent = -1, level = 0;
  std::vector<double> rest, inverse;  // 4 x 4: from bone to parent, and from model to bone
};

std::vector<Bone> read_bones(const std::string& path) {
  Numbers in(path);
  std::vector<Bone> bones;
  while (!in.at_end()) {
    in.word();
    Bone bone;
    bone.parent = static_cast<int64_t>(in.next());
    if (bone.parent < -1 || bone.parent >= static_cast<int64_t>(bones.size()))
      in.refuse("a bone stands before its parent");
    if (bone.parent >= 0) bone.level = bones[static_cast<size_t>(bone.parent)].level + 1;
    bone.rest = in.values(16);
    bone.inverse = in.values(16);
    bones.push_back(std::move(bone));
  }
  return bones;
}

// By vertex and bone: weight times [x, 1] as the bone has it at rest.
Tensor read_skin(const std::string& path, const std::vector<Bone>& bones, const std::vector<size_t>& place) {
  Numbers in(path);
  const size_t row = 4 * bones.size();
  std::vector<double> skin;
  while (!in.at_end()) {
    const std::vector<double> x = in.values(3);
    in.values(5);
    skin.resize(skin.size() + row);
    for (int64_t pairs = in.count(); pairs > 0; --pairs) {
      const auto bone = static_cast<size_t>(in.count());
      if (bone >= bones.size()) in.refuse("a vertex names a bone that is not there");
      const double weight = in.next();
      for (size_t r = 0; r < 4; ++r) {
        const double* m = bones[bone].inverse.data() + 4 * r;
        skin[skin.size() - row + 4 * place[bone] + r] += weight * (m[0] * x[0] + m[1] * x[1] + m[2] * x[2] + m[3]);
      }
    }
  }
  const auto vertices = static_cast<int64_t>(skin.size() / row);
  return floats(skin, {vertices, static_cast<int64_t>(row)});
}

// Bones level by level; by finger f, parameters 6 + 4 f ... bend and spread bone 4 f + 2, and bend the two behind it.
HandModel read_model(const std::string& folder) {
  const std::vector<Bone> bones = read_bones(folder + "/bones.txt");
  std::vector<size_t> order(bones.size()), place(bones.size()), first;
  for (size_t b = 0; b < bones.size(); ++b) order[b] = b;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return bones[a].level < bones[b].level; });
  HandModel model;
  std::vector<double> rest;
  for (size_t at = 0; at < order.size(); ++at) {
    const Bone& bone = bones[order[at]];
    place[order[at]] = at;
    if (static_cast<size_t>(bone.level) == model.levels.size()) model.levels.emplace_back(), first.push_back(at);
    const size_t parent = bone.level == 0 ? 0 : place[static_cast<size_t>(bone.parent)] - first[first.size() - 2];
    model.levels.back().push_back(static_cast<int64_t>(parent));
    rest.insert(rest.end(), bone.rest.begin(), bone.rest.begin() + 12);
    const int64_t number = static_cast<int64_t>(order[at]) - 1, finger = number / 4, joint = number % 4;
    const bool bends = number >= 0 && finger < 5 && joint > 0;
    model.flexion.push_back(bends ? 6 + 4 * finger + (joint == 1 ? 0 : joint) : hand_parameters);
    model.abduction.push_back(bends && joint == 1 ? 7 + 4 * finger : hand_parameters);
  }
  model.rest = floats(rest, {static_cast<int64_t>(bones.size()), 3, 4});
  model.skin = read_skin(folder + "/vertices.txt", bones, place);
  return model;
}

}  // namespace

std::string default_folder() { return TENON_SOURCE_DIR "/../shared/data/adbench"; }

GmmFile read_gmm(const std::string& path) {
  Numbers in(path);
  const int64_t d = in.count(), k = in.count(), n = in.count();
  GmmFile file;
  file.params.alpha = in.tensor({k});
  file.params.mean = in.tensor({k, d});
  file.params.icf = in.tensor({k, d * (d + 1) / 2});
  file.data.x = in.tensor({n, d});
  file.data.gamma = in.next();
  file.data.m = in.count();
  return file;
}

LstmFile read_lstm(const std::string& path) {
  Numbers in(path);
  const int64_t layers = in.count(), characters = in.count(), width = in.count();
  LstmFile file;
  file.params.main = in.tensor({layers, 2, 4, width});
  file.params.extra = in.tensor({3, width});
  file.data.state = in.tensor({layers, 2, width});
  file.data.sequence = in.tensor({characters, width});
  return file;
}

BaFile read_ba(const std::string& path) {
  Numbers in(path);
  const int64_t n = in.count(), m = in.count(), p = in.count();
  const Tensor camera = in.tensor({1, 11}), point = in.tensor({1, 3}), weight = in.tensor({1}),
               feature = in.tensor({1, 2});
  BaFile file;
  file.params = {tn::broadcast_to(camera, {n, 11}), tn::broadcast_to(point, {m, 3}), tn::broadcast_to(weight, {p})};
  file.data = {tn::arange(p) % n, tn::arange(p) % m, tn::broadcast_to(feature, {p, 2}), n, m};
  return file;
}

HandFile read_hand(const std::string& model_folder, const std::string& path, bool complicated) {
  HandFile file;
  file.data.model = read_model(model_folder);
  Numbers triangles(model_folder + "/triangles.txt"), in(path);
  std::vector<int64_t> corners;
  while (!triangles.at_end()) corners.push_back(triangles.count());
  const int64_t n = in.count(), parameters = in.count();
  if (parameters != hand_parameters) in.refuse("a hand has 26 parameters");
  std::vector<int64_t> vertices;
  std::vector<double> points;
  for (int64_t i = 0; i < n; ++i) {
    const auto number = static_cast<size_t>(in.count());
    if (complicated && 3 * number + 2 >= corners.size()) in.refuse("it names a triangle that is not there");
    for (size_t k = 0; k < (complicated ? 3 : 1); ++k)
      vertices.push_back(complicated ? corners[3 * number + k] : static_cast<int64_t>(number));
    for (double x : in.values(3)) points.push_back(x);
  }
  file.data.points = floats(points, {n, 3});
  file.data.corners = tn::copy_from(vertices.data(), {n, complicated ? 3 : 1}, tn::i64);
  if (complicated) file.where = in.tensor({n, 2});
  file.theta = in.tensor({parameters});
  return file;
}

}  // namespace adbench
