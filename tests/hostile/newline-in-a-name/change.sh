# A name of two lines.
touch $'experiments/waiting/a\nb'
