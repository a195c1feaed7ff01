-- SC116 showCertificate
SELECT showCertificate()
