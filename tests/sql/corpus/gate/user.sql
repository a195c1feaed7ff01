-- SC116 currentUser
SELECT currentUser()
