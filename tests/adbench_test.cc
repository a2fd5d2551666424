// ADBench's four problems: the programs of examples/adbench against plain loops, their derivatives forward against reverse and both
// against differences of the loops; on files made here, and on the project's own where they are at hand.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "tenon/examples/adbench/read.h"
#include "tenon/tests/adbench_oracle.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

using adbench::BaData, adbench::BaFile, adbench::GmmFile, adbench::GmmParams, adbench::HandFile, adbench::LstmFile,
    adbench::LstmParams;
using oracle::Numbers;

Numbers numbers(const Tensor& t) { return t.to_vector<double>(); }
Tensor like(const Tensor& t, const double* values) { return copy_from(values, t.shape(), f64); }

std::mt19937_64& random_source() {
  static std::mt19937_64 random{23};
  return random;
}
double draw(double low = -1, double high = 1) {
  return std::uniform_real_distribution<double>(low, high)(random_source());
}
Numbers drawn(size_t count, double low = -1, double high = 1) {
  Numbers list(count);
  for (double& x : list) x = draw(low, high);
  return list;
}

double inner(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
Numbers moved(const Numbers& x, const Numbers& direction, double step) {
  Numbers y = x;
  for (size_t i = 0; i < y.size(); ++i) y[i] += step * direction[i];
  return y;
}
// Along a direction, by differences of fourth order.
template <class F>
double slope(F f, const Numbers& x, const Numbers& direction) {
  const double h = 2e-4;
  const auto at = [&](double step) { return f(moved(x, direction, step)); };
  return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}

void expect_close(double a, double b, double tolerance, const char* what) {
  EXPECT_LE(std::abs(a - b), tolerance * std::max({std::abs(a), std::abs(b), 1e-3}))
      << what << ": " << a << " and " << b;
}

// A scalar of a tree of parameters: its value, its gradient against forward mode and against differences of `plain`.
template <class P, class F, class G>
void check_scalar(const P& params, F objective, G plain) {
  Numbers x;
  for (const Tensor& t : tree::leaves(params)) {
    const Numbers part = numbers(t);
    x.insert(x.end(), part.begin(), part.end());
  }
  const auto [value, gradient] = jit(value_and_grad(objective))(params);
  expect_close(value.template item<double>(), plain(x), 1e-12, "value");
  Numbers reverse;
  for (const Tensor& t : tree::leaves(gradient)) {
    const Numbers part = numbers(t);
    reverse.insert(reverse.end(), part.begin(), part.end());
  }
  const auto forward = jit([&](const P& at, const P& along) { return jvp(objective, at, along).second; });
  for (int k = 0; k < 4; ++k) {
    const Numbers direction = drawn(x.size());
    size_t next = 0;
    const P along = tree::map(
        [&](const Tensor& t) {
          const Tensor part = like(t, direction.data() + next);
          next += static_cast<size_t>(static_cast<int64_t>(t.numel()));
          return part;
        },
        params);
    const double tangent = forward(params, along).template item<double>();
    expect_close(tangent, inner(reverse, direction), 1e-9, "forward and reverse");
    expect_close(tangent, slope(plain, x, direction), 1e-7, "forward and differences");
  }
}

void check_gmm(const GmmFile& file) {
  const auto d = static_cast<size_t>(file.data.x.shape()[1]), k = static_cast<size_t>(file.params.alpha.shape()[0]);
  const Numbers x = numbers(file.data.x);
  check_scalar(
      file.params, [&](const GmmParams& p) { return adbench::gmm_objective(p, file.data); },
      [&](const Numbers& p) {
        return oracle::gmm(p, x, d, k, file.data.gamma, static_cast<double>(file.data.m), file.data.sign);
      });
}

void check_lstm(const LstmFile& file) {
  const auto layers = static_cast<size_t>(file.params.main.shape()[0]),
             b = static_cast<size_t>(file.params.main.shape()[3]);
  const Numbers state = numbers(file.data.state), sequence = numbers(file.data.sequence);
  check_scalar(
      file.params, [&](const LstmParams& p) { return adbench::lstm_objective(p, file.data); },
      [&](const Numbers& p) { return oracle::lstm(p, state, sequence, layers, b); });
}

Numbers plain_ba(const Numbers& x, const BaData& data, const std::vector<int64_t>& camera,
                 const std::vector<int64_t>& point, const Numbers& feature) {
  const double *points = x.data() + 11 * data.cameras, *weights = points + 3 * data.points;
  const size_t p = camera.size();
  Numbers errors(3 * p);
  for (size_t i = 0; i < p; ++i) {
    const auto e =
        oracle::reprojection(x.data() + 11 * camera[i], points + 3 * point[i], weights[i], feature.data() + 2 * i);
    errors[2 * i] = e[0], errors[2 * i + 1] = e[1], errors[2 * p + i] = 1 - weights[i] * weights[i];
  }
  return errors;
}

// The sparse Jacobian times a direction against forward mode and against differences; its transpose against reverse mode.
void check_ba(const BaFile& file) {
  const auto camera = file.data.camera.to_vector<int64_t>(), point = file.data.point.to_vector<int64_t>();
  const Numbers feature = numbers(file.data.feature);
  const Tensor parameters = adbench::ba_parameters(file.params);
  const Numbers x = numbers(parameters);
  const auto errors = [&](const Tensor& t) { return adbench::ba_errors(t, file.data); };
  const auto plain = [&](const Numbers& at) { return plain_ba(at, file.data, camera, point, feature); };
  const Numbers value = numbers(jit(errors)(parameters)), expected = plain(x);
  for (size_t i = 0; i < value.size(); ++i) expect_close(value[i], expected[i], 1e-11, "error");
  const Csr j = jit(sparse_jacobian(errors))(parameters);
  const size_t p = camera.size();
  EXPECT_EQ(j.rows, static_cast<int64_t>(3 * p));
  EXPECT_EQ(j.cols, static_cast<int64_t>(x.size()));
  EXPECT_EQ(static_cast<size_t>(static_cast<int64_t>(j.values.numel())),
            29 * p);  // no error depends on the other's principal point
  const auto offsets = j.row_offsets.to_vector<int64_t>(), columns = j.columns.to_vector<int64_t>();
  const Numbers values = numbers(j.values), direction = drawn(x.size()), cotangent = drawn(3 * p);
  Numbers forward(3 * p), reverse(x.size());
  for (size_t r = 0; r < 3 * p; ++r)
    for (auto k = static_cast<size_t>(offsets[r]); k < static_cast<size_t>(offsets[r + 1]); ++k) {
      forward[r] += values[k] * direction[static_cast<size_t>(columns[k])];
      reverse[static_cast<size_t>(columns[k])] += values[k] * cotangent[r];
    }
  const Numbers tangent = numbers(jvp(errors, parameters, like(parameters, direction.data())).second);
  const double h = 1e-5;
  const Numbers above = plain(moved(x, direction, h)), below = plain(moved(x, direction, -h));
  for (size_t r = 0; r < 3 * p; ++r) {
    expect_close(forward[r], tangent[r], 1e-9, "sparse and forward");
    expect_close(forward[r], (above[r] - below[r]) / (2 * h), 1e-5, "sparse and differences");
  }
  const auto pull = vjp(errors, parameters).second;
  const Numbers back = numbers(pull(copy_from(cotangent.data(), {static_cast<int64_t>(3 * p)}, f64)));
  for (size_t c = 0; c < reverse.size(); ++c) expect_close(reverse[c], back[c], 1e-9, "sparse and reverse");
}

// ---- hands

oracle::Hand plain_hand(const std::string& folder) {
  oracle::Hand hand;
  const auto fields = [](std::string line) {
    std::replace(line.begin(), line.end(), ':', ' ');
    return std::istringstream(line);
  };
  std::string line, name;
  for (std::ifstream file(folder + "/bones.txt"); std::getline(file, line);) {
    auto in = fields(line);
    int64_t parent = 0;
    Numbers rest(16), inverse(16);
    in >> name >> parent;
    for (double& v : rest) in >> v;
    for (double& v : inverse) in >> v;
    hand.parent.push_back(parent), hand.rest.push_back(rest), hand.inverse.push_back(inverse);
  }
  for (std::ifstream file(folder + "/vertices.txt"); std::getline(file, line);) {
    auto in = fields(line);
    oracle::Vector x{};
    double unused = 0;
    size_t pairs = 0, bone = 0;
    for (double& v : x) in >> v;
    for (int k = 0; k < 5; ++k) in >> unused;
    hand.vertices.push_back(x);
    hand.weights.emplace_back();
    for (in >> pairs; pairs > 0; --pairs) {
      double weight = 0;
      in >> bone >> weight;
      hand.weights.back().emplace_back(bone, weight);
    }
  }
  return hand;
}

// where: empty in the simple problem.
Numbers plain_errors(const oracle::Hand& hand, const Numbers& where, const Numbers& theta, const Numbers& points,
                     const std::vector<int64_t>& corners) {
  const std::vector<oracle::Vector> g = oracle::posed(hand, theta);
  const size_t n = points.size() / 3;
  Numbers errors;
  for (size_t i = 0; i < n; ++i)
    for (size_t k = 0; k < 3; ++k) {
      const auto corner = [&](size_t c) { return g[static_cast<size_t>(corners[3 * i + c])][k]; };
      const double there = where.empty() ? g[static_cast<size_t>(corners[i])][k]
                                         : where[2 * i] * corner(0) + where[2 * i + 1] * corner(1) +
                                               (1 - where[2 * i] - where[2 * i + 1]) * corner(2);
      errors.push_back(points[3 * i + k] - there);
    }
  return errors;
}

void check_hand(const std::string& model, const std::string& path, bool complicated, bool still = false) {
  HandFile file = adbench::read_hand(model, path, complicated);
  const oracle::Hand hand = plain_hand(model);
  if (still) file.theta[slice(0, 3)] = zeros({3}, {.dtype = f64});
  const Numbers points = numbers(file.data.points);
  const auto corners = file.data.corners.to_vector<int64_t>();
  const int64_t shares = complicated ? static_cast<int64_t>(file.where.numel()) : 0;
  const Tensor x = complicated ? concat({file.where.reshape({-1}), file.theta}, 0) : file.theta;
  const auto errors = [&](const Tensor& t) {
    if (!complicated) return adbench::hand_simple(t, file.data).reshape({-1});
    return adbench::hand_complicated(t[slice(0, shares)].reshape({-1, 2}), t[slice(shares, shares + 26)], file.data)
        .reshape({-1});
  };
  const auto plain = [&](const Numbers& at) {
    const auto cut = at.begin() + shares;
    return plain_errors(hand, Numbers(at.begin(), cut), Numbers(cut, at.end()), points, corners);
  };
  const Numbers at = numbers(x), value = numbers(jit(errors)(x)), expected = plain(at);
  for (size_t i = 0; i < value.size(); ++i) EXPECT_NEAR(value[i], expected[i], 1e-12);
  Numbers direction = drawn(at.size()), cotangent = drawn(value.size());
  if (still)
    for (size_t k = 0; k < 3; ++k)
      direction[static_cast<size_t>(shares) + k] = 0;  // about no axis there is no derivative
  const Numbers tangent = numbers(jvp(errors, x, like(x, direction.data())).second);
  const double h = 1e-5;
  const Numbers above = plain(moved(at, direction, h)), below = plain(moved(at, direction, -h));
  for (size_t i = 0; i < tangent.size(); ++i) EXPECT_NEAR(tangent[i], (above[i] - below[i]) / (2 * h), 1e-8);
  const auto pull = vjp(errors, x).second;
  const Numbers back = numbers(pull(copy_from(cotangent.data(), {static_cast<int64_t>(cotangent.size())}, f64)));
  expect_close(inner(cotangent, tangent), inner(back, direction), 1e-9, "forward and reverse");
  for (size_t k = 0; still && k < 3; ++k) EXPECT_EQ(back[static_cast<size_t>(shares) + k], 0);
}

// ---- files of our own

class Folder {
 public:
  Folder() : path(temporary_folder("adbench")) {}
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path + "/" + name) << text;
    return path + "/" + name;
  }
  const std::string path;
};
std::string text_of(const Numbers& list, const char* between = " ") {
  std::string text;
  char number[40];
  for (double x : list) std::snprintf(number, sizeof number, "%.17g%s", x, between), text += number;
  return text;
}

// A wrist, five fingers of four bones that hang on it, a forearm; vertices that up to three bones hold.
void write_model(const Folder& folder) {
  std::string bones, vertices, triangles;
  for (int b = 0; b < 22; ++b) {
    const int parent = b == 0 ? -1 : b == 21 || b % 4 == 1 ? 0 : b - 1;
    bones += "bone" + std::to_string(b) + ":" + std::to_string(parent) + ":";
    for (int matrix = 0; matrix < 2; ++matrix)
      bones += text_of(drawn(12), ":") + (matrix == 0 ? "0:0:0:1:" : "0:0:0:1\n");
  }
  for (int v = 0; v < 60; ++v) {
    vertices += text_of(drawn(3), ":") + "0:0:1:0.5:0.5:3";
    for (int k = 0; k < 3; ++k)
      vertices += ":" + std::to_string((v + 7 * k) % 22) + ":" + std::to_string(0.2 + 0.1 * k);
    vertices += "\n";
    triangles += std::to_string(v) + ":" + std::to_string((v + 5) % 60) + ":" + std::to_string((v + 11) % 60) + "\n";
  }
  folder.write("bones.txt", bones), folder.write("vertices.txt", vertices), folder.write("triangles.txt", triangles);
}

TEST(Adbench, MixturesAgreeWithLoops) {
  const Folder folder;
  for (const auto& [d, k, n, m] : {std::array{1, 1, 3, 0}, {2, 3, 20, 4}, {5, 4, 50, 1}}) {
    const auto count = [](int x) { return static_cast<size_t>(x); };
    const std::string path =
        folder.write("gmm.txt", std::to_string(d) + " " + std::to_string(k) + " " + std::to_string(n) + "\n" +
                                    text_of(drawn(count(k))) + text_of(drawn(count(k * d))) +
                                    text_of(drawn(count(k * d * (d + 1) / 2))) + text_of(drawn(count(n * d))) +
                                    "0.75 " + std::to_string(m));
    GmmFile file = adbench::read_gmm(path);
    check_gmm(file);
    file.data.sign = -1;  // the log-posterior
    check_gmm(file);
  }
}

TEST(Adbench, LstmAgreesWithLoops) {
  const Folder folder;
  Numbers sequence(9 * 5);
  for (double& bit : sequence) bit = draw() < 0 ? 0 : 1;
  check_lstm(adbench::read_lstm(folder.write(
      "lstm.txt", "3 9 5 " + text_of(drawn(6 * 20)) + text_of(drawn(15)) + text_of(drawn(30)) + text_of(sequence))));
}

// Cameras and points that differ, so that a wrong index shows; one camera does not turn.
TEST(Adbench, BundlesAgreeWithLoops) {
  const int64_t n = 4, m = 9, p = 40;
  Numbers cameras, points, features = drawn(2 * p, 0, 300);
  for (int64_t c = 0; c < n; ++c) {
    const bool still = c == 2;
    for (double r : drawn(3, still ? 0 : -1, still ? 0 : 1)) cameras.push_back(r);
    for (double center : drawn(3, 5, 9)) cameras.push_back(center);
    for (double x : {draw(300, 500), draw(3, 9), draw(-9, 9), draw(0, 0.1), draw(0, 0.01)}) cameras.push_back(x);
  }
  points = drawn(3 * m, -2, 2);
  std::vector<int64_t> camera, point;
  for (int64_t i = 0; i < p; ++i) camera.push_back((7 * i + 1) % n), point.push_back((5 * i) % m);
  const auto indices = [](const std::vector<int64_t>& v) {
    return copy_from(v.data(), {static_cast<int64_t>(v.size())}, i64);
  };
  check_ba({{copy_from(cameras.data(), {n, 11}, f64), copy_from(points.data(), {m, 3}, f64),
             copy_from(drawn(p, 0.5, 2).data(), {p}, f64)},
            {indices(camera), indices(point), copy_from(features.data(), {p, 2}, f64), n, m}});
}

TEST(Adbench, HandsAgreeWithLoops) {
  const Folder folder;
  write_model(folder);
  std::string rows;
  for (int i = 0; i < 12; ++i) rows += std::to_string((13 * i) % 60) + " " + text_of(drawn(3)) + "\n";
  const std::string simple = folder.write("simple.txt", "12 26\n" + rows + text_of(drawn(26)));
  const std::string complicated =
      folder.write("complicated.txt", "12 26\n" + rows + text_of(drawn(24)) + text_of(drawn(26)));
  check_hand(folder.path, simple, false);
  check_hand(folder.path, complicated, true);
  check_hand(folder.path, complicated, true, true);
}

TEST(Adbench, FilesOfTheProject) {
  const std::string folder = adbench::default_folder();
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the data is not at " << folder;
  check_gmm(adbench::read_gmm(folder + "/gmm/1k/gmm_d2_K5.txt"));
  check_gmm(adbench::read_gmm(folder + "/gmm/1k/gmm_d10_K10.txt"));
  check_lstm(adbench::read_lstm(folder + "/lstm/lstm_l2_c1024.txt"));
  check_hand(folder + "/hand/model", folder + "/hand/simple_small/hand1_t26_c100.txt", false);
  check_hand(folder + "/hand/model", folder + "/hand/complicated_small/hand1_t26_c100.txt", true);
}

TEST(Adbench, RefusesFilesThatAreNone) {
  const Folder folder;
  const auto message = [](auto read) {
    try {
      read();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("nothing was refused");
  };
  const auto expect_named = [&](const std::string& path, const char* why) {
    const std::string text = message([&] { adbench::read_gmm(path); });
    EXPECT_NE(text.find(path), std::string::npos) << text;
    EXPECT_NE(text.find(why), std::string::npos) << text;
  };
  expect_named(folder.path + "/none.txt", "cannot be opened");
  expect_named(folder.write("short.txt", "2 1 3\n0.5"), "ends early");
  expect_named(folder.write("words.txt", "2 1 three"), "no number");
  expect_named(folder.write("count.txt", "2 1.5 3"), "no count");
  expect_named(folder.write("large.txt", "99999999 1 1"), "no count");
}

}  // namespace
}  // namespace tenon::testing
