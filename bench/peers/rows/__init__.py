# The rows of `./dev bench --peers` in the words of each peer: a formula's name, which is the same for all, and what makes it from
# its arguments.
