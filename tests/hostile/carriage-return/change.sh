# A carriage return, with which a terminal writes over the line.
printf '# fine\r\n' >> environments/local/environment.yaml
