# Keys and a path that would be links, mentions, annotations and colours where they are shown raw.
mkdir -p 'experiments/@team [x](y) ::error::'
printf '"@team\\n::add-mask::x\\e[31m": 1\n"`<img src=x>`": 2\n' > 'experiments/@team [x](y) ::error::/experiment.yaml'
